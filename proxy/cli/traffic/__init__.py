"""The commands that read what has been recorded: log, show, report and replay."""
