"""Where queries run, and all that the engines do in different ways."""
