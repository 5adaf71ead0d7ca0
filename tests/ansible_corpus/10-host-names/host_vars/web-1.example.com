from: file without extension
