"""What an artefact is made of."""
