"""What every compiled kernel needs: machine instructions, and a place where compiled code is kept."""
