"""
The rollout as people read it: rules in sentences, whom a share takes, who has changed what.

Nothing here writes; `proxy.config.rollout_edit` does.
"""
