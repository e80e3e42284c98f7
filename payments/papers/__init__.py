"""Papers: what people keep of their money, as a page, a PDF and a table, all from one description."""
