"""All that is drawn: still figures by Matplotlib, and the data of those that move."""
