# error.pxi: a filled error record of the C core as an exception; part of each extension that calls it.
# In: struct prl_error and the table of remedies, declared by who includes this.  Out: the exception, not raised.

from pyrootless.errors import error_from_record


cdef object exception(prl_error *error):
    cdef const prl_remedy *row = prl_error_remedy(error)
    cdef tuple record = (prl_stage_name(error.stage).decode(), error.errnum, error.syscall.decode(errors="replace"),
                         error.subject.decode(errors="replace"), bool(error.sentence))
    if row == NULL:
        return error_from_record(record, "", "", "")
    return error_from_record(record, row.klass.decode(), row.check.decode(), row.text.decode())
