"""The command line `keras-vae`. Neither package is imported before a command runs."""
