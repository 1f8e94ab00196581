"""The host module for a card's registers on a real kernel with strict device memory, and tc's flower filters there."""
