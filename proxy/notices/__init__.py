"""Notices: what goes wrong, and when it is over, is sent to a webhook of the operator's."""
