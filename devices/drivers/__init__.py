"""One file per protocol: bytes in, numerics, waveforms and notices out. No IO here."""
