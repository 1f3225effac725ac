"""What operators do: start the parts, set them, look after accounts, keys and copies."""
