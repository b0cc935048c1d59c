/* Mapped memory: WASI has none, and takes no advice. */
