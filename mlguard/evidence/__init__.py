"""What proves where a file comes from: digests, lists of digests, signatures, cards and bills of materials."""
