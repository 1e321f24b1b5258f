"""What layers and losses compute."""
