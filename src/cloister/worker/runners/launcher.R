# Runs inside the container, before and around an R script. Trusted by nobody: the script can become it.
#
# It speaks with the worker as launcher.py does: reads a line of packages to load ahead, says `ready`, reads the line that
# names the script, and runs it as Rscript would, each top-level value printed where it is visible. Of an uncaught error
# it sends places and classes to the worker, which believes none of it without checking.
#
# Everything lies in one environment of its own, so that the script finds an empty workspace.
#
# Usage: R --no-echo --no-restore --no-save --file=launcher.R --args REPORT_DESCRIPTOR

local({
  descriptor <- commandArgs(trailingOnly = TRUE)[1]
  tell <- function(text) {
    # R has no way to write to a descriptor that it was given; a program that it starts has.
    to <- pipe(paste0("cat >&", descriptor), "w")
    on.exit(close(to))
    cat(text, "\n", sep = "", file = to)
  }
  quoted <- function(text) {
    text <- gsub("([\\\\\"])", "\\\\\\1", substr(text, 1, 1000))
    paste0("\"", gsub("[[:cntrl:]]", " ", text), "\"")
  }

  # What Python scripts have as cloister_util: tables in folders, `dataset.csv` without a header line and `types`.
  types <- function() {
    file <- tempfile(fileext = ".proto")
    on.exit(unlink(file))
    writeLines(c(
      "syntax = \"proto3\"; package cloister;",
      "enum PrimitiveType { INT64 = 0; STRING = 1; FLOAT64 = 2; }",
      "message ColumnType { PrimitiveType primitiveType = 1; bool nullable = 2; }",
      "message NamedColumn { optional string name = 1; ColumnType columnType = 2; }",
      "message TableSchema { repeated NamedColumn namedColumns = 1; }",
      "message Delimited { TableSchema schema = 1; }"
    ), file)
    if (!exists("cloister.Delimited", envir = as.environment(pool), inherits = FALSE)) {
      RProtoBuf::readProtoFiles2(basename(file), protoPath = dirname(file))
      assign("cloister.Delimited", TRUE, envir = pool)
    }
    RProtoBuf::P
  }
  pool <- new.env()
  read_tabular_data <- function(path) {
    message <- types()
    bytes <- readBin(file.path(path, "types"), "raw", 16 * 1024^2)
    # A tag makes of the length-delimited schema a field of a message.
    schema <- RProtoBuf::read(message("cloister.Delimited"), c(as.raw(10), bytes))$schema
    kinds <- vapply(schema$namedColumns, function(each) as.integer(each$columnType$primitiveType), 1L)
    names <- vapply(seq_along(kinds), function(at) {
      name <- schema$namedColumns[[at]]$name
      if (nzchar(name)) name else paste0("V", at)
    }, "")
    classes <- c("integer", "character", "numeric")[kinds + 1]
    data <- file.path(path, "dataset.csv")
    if (file.size(data) == 0) {
      frame <- as.data.frame(lapply(classes, vector, length = 0))
    } else {
      # Whole numbers that are too large for R's are numbers.
      frame <- utils::read.csv(
        data, header = FALSE, colClasses = ifelse(classes == "integer", "numeric", classes), na.strings = "",
        encoding = "UTF-8", blank.lines.skip = length(kinds) > 1, comment.char = ""
      )
      for (at in which(classes == "integer")) {
        if (all(abs(frame[[at]]) <= .Machine$integer.max, na.rm = TRUE)) frame[[at]] <- as.integer(frame[[at]])
      }
    }
    stats::setNames(frame, names)
  }
  write_tabular_data <- function(df, path = "/output") {
    message <- types()
    dir.create(path, recursive = TRUE, showWarnings = FALSE)
    places <- file.path(path, c("types", "dataset.csv"))
    if (any(file.exists(places))) stop("There is a table in ", path, " already; give each its own folder.")
    df[] <- lapply(df, function(column) if (is.logical(column)) as.integer(column) else column)
    kinds <- vapply(df, function(column) if (is.integer(column)) 0L else if (is.numeric(column)) 2L else 1L, 1L)
    columns <- Map(function(name, kind, column) {
      type <- RProtoBuf::new(message("cloister.ColumnType"), primitiveType = kind, nullable = anyNA(column))
      RProtoBuf::new(message("cloister.NamedColumn"), name = name, columnType = type)
    }, names(df), kinds, df)
    schema <- RProtoBuf::new(message("cloister.TableSchema"), namedColumns = unname(columns))
    bytes <- RProtoBuf::serialize(RProtoBuf::new(message("cloister.Delimited"), schema = schema), NULL)
    writeBin(bytes[-1], places[1])
    utils::write.table(
      df, places[2], sep = ",", na = "", quote = which(kinds == 1L), qmethod = "double", row.names = FALSE,
      col.names = FALSE, fileEncoding = "UTF-8"
    )
  }
  attach(
    list(read_tabular_data = read_tabular_data, write_tabular_data = write_tabular_data),
    name = "cloister_util", warn.conflicts = FALSE
  )

  from_worker <- file("stdin", "r", blocking = TRUE)
  for (name in strsplit(readLines(from_worker, 1), " ", fixed = TRUE)[[1]]) {
    try(suppressWarnings(suppressMessages(loadNamespace(name))), silent = TRUE)
  }
  tell("ready")
  script <- readLines(from_worker, 1)
  if (length(script) == 0) quit("no", 125)
  close(from_worker)
  # Nothing more comes from there: what the script reads from standard input ends at once.
  parallel:::closeFD(0L)
  null <- file("/dev/null", "r")

  frames <- list()
  failure <- NULL
  where <- function(line, inside) list(file = script, line = line, inside = inside)

  # Where an error came from: of each call that stands in the script, its line and the function that it stands in.
  trace <- function(calls, top) {
    found <- list(where(top, "<script>"))
    inside <- "<script>"
    for (call in calls) {
      at <- attr(call, "srcref")
      if (!is.null(at) && identical(attr(at, "srcfile")$filename, script) && inside != "<script>") {
        found[[length(found) + 1]] <- where(at[1], inside)
      }
      inside <- if (is.call(call)) paste(deparse(call[[1]], nlines = 1), collapse = "") else ""
    }
    found
  }

  report <- function(error, found) {
    if (length(found) > 40) found <- c(found[1:10], found[(length(found) - 29):length(found)])
    each <- vapply(found, FUN.VALUE = "", function(frame) {
      paste0("{\"file\":", quoted(frame$file), ",\"line\":", frame$line, ",\"function\":", quoted(frame$inside), "}")
    })
    safe <- if (inherits(error, "safe_error")) conditionMessage(error) else ""
    tell(paste0(
      "{\"version\":1,\"frames\":[", paste(each, collapse = ","), "],\"module\":\"R\",\"exception\":",
      quoted(class(error)[1]), ",\"safe\":", quoted(safe), "}"
    ))
  }

  run <- function() {
    line <- 1L
    tryCatch(
      withCallingHandlers(
        {
          parsed <- parse(script, keep.source = TRUE, encoding = "UTF-8")
          lines <- vapply(attr(parsed, "srcref"), function(at) as.integer(at)[1], 1L)
          for (index in seq_along(parsed)) {
            line <- lines[index]
            value <- withVisible(eval(parsed[[index]], globalenv()))
            if (value$visible) print(value$value)
          }
          0L
        },
        error = function(error) frames <<- trace(sys.calls(), line)
      ),
      error = function(error) {
        report(error, if (length(frames)) frames else list(where(line, "<script>")))
        call <- conditionCall(error)
        shown <- if (is.null(call)) "Error: " else paste0("Error in ", deparse(call, nlines = 1)[1], " : ")
        message(shown, conditionMessage(error), "\nExecution halted")
        1L
      }
    )
  }

  options(warn = 1, keep.source = TRUE)
  # What was loaded ahead may have drawn random numbers: the script's are its own.
  suppressWarnings(rm(".Random.seed", envir = globalenv()))
  setwd("/tmp")
  quit("no", run(), runLast = TRUE)
})
