"""What a query means: its vector by a small encoder, and its prices, attribute values and recipients."""
