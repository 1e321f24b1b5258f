/* What the loops of `recording.py` in C share: the names of attributes, what there is in Python,
   and a look at attributes.

   Functions return a new reference, or NULL with an error; those that answer a question 1, 0, or -1
   with an error. Nothing here runs Python's own code, but where the general way has to be asked
   (`know`), so an interrupt comes before a step is written down or after it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NAMES(DO)                                                                                  \
    DO(_base) DO(_forget_inputs) DO(_grad) DO(_name) DO(_new_input) DO(_node) DO(_output)          \
    DO(_requires_grad) DO(_steps) DO(_storage) DO(_take_numbers) DO(acquire) DO(array) DO(arrays)  \
    DO(block) DO(compiled) DO(count) DO(current) DO(device) DO(edges) DO(ended) DO(entries)        \
    DO(entry) DO(exposed) DO(forward_call) DO(grad_name) DO(held) DO(home) DO(hooks) DO(index)     \
    DO(inputs) DO(is_inexact) DO(is_on) DO(is_untouched) DO(kind) DO(last) DO(layout) DO(leaves)   \
    DO(length) DO(longest) DO(node) DO(node_class) DO(numbers) DO(output_hooks) DO(outputs)        \
    DO(pause) DO(plain_call) DO(post_accumulate) DO(pre_hooks) DO(record) DO(recorder)             \
    DO(references) DO(release) DO(residuals) DO(retained) DO(sequence) DO(sharding) DO(single)     \
    DO(sources) DO(steps) DO(structure) DO(type) DO(types) DO(variable) DO(varying) DO(version)

#define DECLARE(name) extern PyObject *s_##name;
NAMES(DECLARE)

/* What `know` says. */
typedef struct {
    PyTypeObject *placeholder, *number, *tensor, *storage, *leaf, *residuals, *layout;
    PyObject *edge_of, *class_of_node, *make_node, *is_plain, *counter, *acquire, *release;
} Known;
extern Known known;

#define IS_PLACEHOLDER(thing) (Py_TYPE(thing) == known.placeholder)

/* An attribute that is an object of a class, or NULL with an error. */
static inline PyObject *
get_of_class(PyObject *owner, PyObject *name, PyTypeObject *wanted)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    if (found != NULL && Py_TYPE(found) != wanted) {
        PyErr_Format(PyExc_TypeError, "%U is a %R", name, Py_TYPE(found));
        Py_CLEAR(found);
    }
    return found;
}

/* A whole number that an attribute is, or -1 with an error. */
static inline Py_ssize_t
get_size(PyObject *owner, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    if (found == NULL) {
        return -1;
    }
    Py_ssize_t size = PyLong_AsSsize_t(found);
    Py_DECREF(found);
    return size;
}

static inline int
set_size(PyObject *owner, PyObject *name, Py_ssize_t size)
{
    PyObject *number = PyLong_FromSsize_t(size);
    if (number == NULL) {
        return -1;
    }
    int failed = PyObject_SetAttr(owner, name, number);
    Py_DECREF(number);
    return failed;
}

/* Whether an attribute is the object: 1 or 0, or -1 with an error. */
static inline int
attribute_is(PyObject *owner, PyObject *name, PyObject *wanted)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    if (found == NULL) {
        return -1;
    }
    Py_DECREF(found);
    return found == wanted;
}

/* Shared functions --------------------------------------------------------------------------- */

PyObject *new_object(PyTypeObject *class);
PyObject *new_placeholder(PyObject *record, Py_ssize_t index, PyObject *type);
int new_placeholders(PyObject *record, PyObject *types, Py_ssize_t first, PyObject **made,
                     PyObject **references);
int is_result(PyObject *part, PyObject *placeholder);
PyObject *followed(PyObject *record, PyObject *call, PyObject *arrays);

/* Those of the module ------------------------------------------------------------------------ */

PyObject *follow(PyObject *module, PyObject *const *arguments, Py_ssize_t given);
PyObject *run_again(PyObject *module, PyObject *const *arguments, Py_ssize_t given);
PyObject *known_nodes(PyObject *module, PyObject *const *arguments, Py_ssize_t given);
PyObject *placeholders(PyObject *module, PyObject *const *arguments, Py_ssize_t given);
PyObject *still_held(PyObject *module, PyObject *references);
PyObject *own_arrays(PyObject *module, PyObject *const *arguments, Py_ssize_t given);
