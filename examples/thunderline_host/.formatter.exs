[
  import_deps: [:ash, :ash_postgres, :ecto, :ecto_sql, :oban],
  inputs: ["{mix,.formatter}.exs", "{config,lib,test,priv}/**/*.{ex,exs}"],
  line_length: 98
]
