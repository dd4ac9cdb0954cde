[
  inputs: ["{mix,.formatter}.exs", "{lib,test,bench,demo,prove}/**/*.{ex,exs}"],
  line_length: 98
]
