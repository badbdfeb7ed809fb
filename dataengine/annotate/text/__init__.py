"""Quality of texts: datatrove's filters, languages and personal data of captions and of text in pictures, as annotations."""
