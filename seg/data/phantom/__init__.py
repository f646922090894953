"""The synthetic abdomen: known organs, drawn anew for every patient, written in any layout."""
