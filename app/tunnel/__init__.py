"""The tunnel of an exit: its states, the state machine, and its health."""
