"""What people do with the moments that were found: cut them out, draw them, look at them in a notebook, play them."""
