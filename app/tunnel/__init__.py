"""The tunnel of an exit: its states, the machine that moves between them, health."""
