"""Small programs of ordinary training code, each run in PyTorch, in Kuai and compiled."""
