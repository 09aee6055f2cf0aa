"""What the devices at one bed say together: sources, plausibility, cuff. Pure."""
