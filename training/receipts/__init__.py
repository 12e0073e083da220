"""What only the receipts task needs in training."""
