"""What makes a checkout ready, and what is made from it."""
