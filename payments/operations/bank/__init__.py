"""The bank and the providers' books: files out and in, movements laid beside our postings, days closed."""
