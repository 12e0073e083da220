"""Where models run: behind one interface, in this process or in the inference process of the machine."""
