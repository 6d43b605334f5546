"""What an operator can watch: metrics and log lines."""
