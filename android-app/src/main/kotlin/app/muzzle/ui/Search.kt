package app.muzzle.ui

import android.text.Editable
import android.text.TextWatcher
import android.widget.EditText

/** Calls [changed] with what was typed, when the typing rests. */
fun EditText.search(
    words: Int,
    begin: String,
    changed: (String) -> Unit,
) {
    setHint(words)
    setText(begin)
    // The screen keeps the text: a restored one would come as if it were typed.
    isSaveEnabled = false
    var last = begin
    val tell =
        Runnable {
            val now = text.toString().trim()
            if (now != last) changed(now)
            last = now
        }
    addTextChangedListener(
        object : TextWatcher {
            override fun beforeTextChanged(
                text: CharSequence,
                start: Int,
                count: Int,
                after: Int,
            ) = Unit

            override fun onTextChanged(
                text: CharSequence,
                start: Int,
                before: Int,
                count: Int,
            ) = Unit

            override fun afterTextChanged(text: Editable) {
                removeCallbacks(tell)
                postDelayed(tell, REST_MS)
            }
        },
    )
}

/** Puts a text in that nobody typed. */
fun EditText.show(words: String) {
    if (text.toString() != words) setText(words)
}

private const val REST_MS = 300L
