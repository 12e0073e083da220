"""State that all worker processes of one machine share, in files mapped into their memory."""
