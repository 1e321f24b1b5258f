"""What is made of both mathematics and arrays: transforms, differences, functions of matrices."""
