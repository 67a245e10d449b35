"""How fast this project is next to what people would write instead: `make bench`."""
