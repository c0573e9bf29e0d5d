"""Records and messages as each version wrote them, which every later version has to read."""
