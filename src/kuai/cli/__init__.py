"""The command line: `kuai …`."""
