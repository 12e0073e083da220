"""Commands that training adds to the command line."""
