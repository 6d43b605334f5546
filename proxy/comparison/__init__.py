"""Two answers to one request, side by side, and what such comparisons may cost a day."""
