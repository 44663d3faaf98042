"""What deckies are and which decisions are made about them. Pure: values in, values out."""
