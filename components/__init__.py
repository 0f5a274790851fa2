"""The machine learning of Tandem: files and arrays in, files and arrays out, one room a component."""
