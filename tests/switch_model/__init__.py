"""The model of the 82576's switch against the emulated card itself: the same registers, the same frames."""
