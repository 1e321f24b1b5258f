/* The comparisons of `comparing.py`, in C: a replayed call makes thousands of them.

   Dictionaries are read as they are, also those of subclasses. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

static int
are_rows(PyObject *const *arguments, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given != wanted) {
        PyErr_Format(PyExc_TypeError, "expected %zd tuples, got %zd", wanted, given);
        return 0;
    }
    for (Py_ssize_t i = 0; i < wanted; i++) {
        if (!PyTuple_CheckExact(arguments[i]) ||
            PyTuple_GET_SIZE(arguments[i]) != PyTuple_GET_SIZE(arguments[0])) {
            PyErr_SetString(PyExc_TypeError, "expected tuples of one length");
            return 0;
        }
    }
    return 1;
}

/* What a dictionary itself has under a key, borrowed: whatever a subclass makes of that is not run.
   NULL without an error if it has nothing. */
static PyObject *
entry_of(PyObject *mapping, PyObject *key)
{
    if (!PyDict_Check(mapping)) {
        PyErr_Format(PyExc_TypeError, "expected a dict, got %R", Py_TYPE(mapping));
        return NULL;
    }
    return PyDict_GetItemWithError(mapping, key);
}

/* Whether each mapping has what is expected under its key: the object in a third tuple, or nothing. */
static PyObject *
compare_entries(PyObject *const *arguments, Py_ssize_t given, Py_ssize_t wanted)
{
    if (!are_rows(arguments, given, wanted)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments[0]); i++) {
        PyObject *expected = wanted == 3 ? PyTuple_GET_ITEM(arguments[2], i) : NULL;
        PyObject *found = entry_of(
            PyTuple_GET_ITEM(arguments[0], i), PyTuple_GET_ITEM(arguments[1], i));
        if (found == NULL && PyErr_Occurred()) {
            return NULL;
        }
        if (found != expected) {
            Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

static PyObject *
has_entries(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    return compare_entries(arguments, given, 3);
}

static PyObject *
lacks_entries(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    return compare_entries(arguments, given, 2);
}

static PyObject *
has_sizes(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (!are_rows(arguments, given, 2)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments[0]); i++) {
        Py_ssize_t size = PyObject_Size(PyTuple_GET_ITEM(arguments[0], i));
        if (size < 0) {
            return NULL;
        }
        Py_ssize_t wanted = PyLong_AsSsize_t(PyTuple_GET_ITEM(arguments[1], i));
        if (wanted == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (size != wanted) {
            Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

static PyMethodDef functions[] = {
    {"has_entries", (PyCFunction)(void (*)(void))has_entries, METH_FASTCALL,
     "Whether each mapping has, under the key beside it, the very object beside that."},
    {"lacks_entries", (PyCFunction)(void (*)(void))lacks_entries, METH_FASTCALL,
     "Whether no mapping has the key beside it."},
    {"has_sizes", (PyCFunction)(void (*)(void))has_sizes, METH_FASTCALL,
     "Whether each container has the size beside it."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_comparing", .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__comparing(void)
{
    return PyModuleDef_Init(&definition);
}
