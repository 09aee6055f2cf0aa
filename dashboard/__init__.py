"""The web pages: live view for nurses, review for clinicians."""
