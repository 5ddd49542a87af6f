"""What every compiled kernel builds on: machine instructions, and where compiled code is kept."""
