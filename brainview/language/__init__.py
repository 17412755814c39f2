"""Brain to text: brain encoders, language-model back ends, and the metrics of words and boxes."""
