"""What the image has to hold for each model of the Pi to start, and checks of that which need no board."""
