"""What comes out: labels, provenance, and the store on disk."""
