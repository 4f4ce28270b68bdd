"""The files that each model of the Pi needs in order to boot, and checks of them that need no board."""
