"""What the command lines share: errors in one line, progress, how to continue."""
