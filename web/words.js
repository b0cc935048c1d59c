// Every text of the page, in English and in Korean. A test fails where one is missing.

export const WORDS = {
    title: ['{0}: cnn lab', '{0}: cnn 실험실'],
    look: ['Look', '살펴보기'],
    learn: ['Learn', '학습하기'],
    language: ['Language', '언어'],
    loading: ['The program is starting …', '프로그램을 시작하는 중 …'],
    failed: ['The page cannot run here: {0}', '이 페이지를 실행할 수 없습니다: {0}'],
    facts: ['{0} layers, {1} parameters, input {2}', '층 {0}개, 매개변수 {1}개, 입력 {2}'],

    picture: ['Picture', '그림'],
    drawHere: ['Draw here, drop a picture or paste one.', '여기에 그리거나 그림을 끌어다 놓거나 붙여 넣으세요.'],
    drawing: ['Drawing area', '그림판'],
    choose: ['Choose a picture', '그림 고르기'],
    drawKeys: ['With the keyboard: arrow keys move the pen, Space sets it down or lifts it.', '키보드로는 화살표 키로 펜을 옮기고 스페이스 키로 내리거나 듭니다.'],
    camera: ['Camera', '카메라'],
    hold: ['Hold this picture', '이 장면 멈추기'],
    noCamera: ['This browser gives no camera to this page: it does for pages from https:// or localhost, not from http://. A photograph can be chosen as a file.',
        '이 브라우저는 이 페이지에 카메라를 허용하지 않습니다. https:// 또는 localhost에서 연 페이지에만 허용하며 http://에서는 안 됩니다. 사진 파일은 고를 수 있습니다.'],
    cameraRefused: ['The camera cannot be used: {0}. A photograph can be chosen as a file.', '카메라를 쓸 수 없습니다: {0}. 사진 파일은 고를 수 있습니다.'],
    clear: ['Clear', '지우기'],
    asData: ['Centre and scale the drawing as in the data set', '데이터 세트처럼 그림을 가운데로 옮기고 크기를 맞춤'],
    shiftLeft: ['Shift left', '왼쪽으로 이동'],
    shiftRight: ['Shift right', '오른쪽으로 이동'],
    shiftUp: ['Shift up', '위로 이동'],
    shiftDown: ['Shift down', '아래로 이동'],
    turn: ['Turn by 90°', '90° 회전'],
    shuffle: ['Shuffle the pixels', '픽셀 뒤섞기'],
    sees: ['What the network sees', '신경망이 보는 그림'],

    answer: ['Answer', '답'],
    noAnswer: ['The answer has numbers that are not finite.', '답에 유한하지 않은 수가 있습니다.'],
    network: ['Network', '신경망'],
    networkHelp: ['From left to right: the output of each layer. Each map is coloured from its smallest to its largest value. Click one.',
        '왼쪽에서 오른쪽으로 각 층의 출력입니다. 특징 맵마다 가장 작은 값에서 가장 큰 값까지 색을 입혔습니다. 하나를 눌러 보세요.'],
    more: ['{0} more', '{0}개 더'],
    input: ['input', '입력'],
    mapOf: ['Map {1} of {0}', '{0}의 특징 맵 {1}'],

    map: ['Activation map', '특징 맵'],
    mapHelp: ['Hover or tap a value, or use the arrow keys.', '값 위에 마우스를 올리거나 누르세요. 화살표 키도 쓸 수 있습니다.'],
    scale: ['from {0} to {1}', '{0}부터 {1}까지'],
    valueAt: ['row {0}, column {1}: {2}', '행 {0}, 열 {1}: {2}'],
    arithmetic: ['Arithmetic', '계산'],
    windowIn: ['window in map {1} of {0}', '{0}의 맵 {1}에 놓인 창'],
    kernel: ['kernel', '커널'],
    products: ['products', '곱'],
    sumOfChannel: ['sum over input channel {0}: {1}', '입력 채널 {0}의 합: {1}'],
    sumOfChannels: ['sum over all {0} input channels: {1}', '입력 채널 {0}개 전체의 합: {1}'],
    afterActivation: ['after the activation function: {0}', '활성화 함수를 거친 값: {0}'],
    inputChannel: ['Input channel', '입력 채널'],
    back: ['Click a value of the window to go on to the layer before.', '창의 값을 누르면 이전 층으로 넘어갑니다.'],
    explainText: ['In full, as “cnn explain” prints it:', '‘cnn explain’이 출력하는 전체 계산:'],
    slide: ['Slide the window', '창 이동하기'],

    change: ['Change the network', '신경망 바꾸기'],
    changeHelp: ['The numbers of the chosen kernel. Change one and see the answer change.', '고른 커널의 수입니다. 하나를 바꾸고 답이 어떻게 변하는지 보세요.'],
    switchOff: ['Switch this channel off', '이 채널 끄기'],
    restore: ['Restore all weights', '모든 가중치 되돌리기'],
    noKernel: ['Choose a map of a convolution or a value of a dense layer.', '합성곱 층의 특징 맵이나 완전 연결층의 값을 고르세요.'],
    bias: ['bias', '편향'],
    weightAt: ['weight in row {0}, column {1}', '행 {0}, 열 {1}의 가중치'],

    why: ['Why this answer?', '왜 이 답일까?'],
    gradcam: ['Grad-CAM', 'Grad-CAM'],
    saliency: ['Saliency', '중요도(기울기)'],
    occlusion: ['Occlusion', '가리기'],
    whyHelp: ['Pictures of “cnn visualize” for the class with the highest probability.', '확률이 가장 높은 클래스에 대한 ‘cnn visualize’의 그림입니다.'],
    working: ['Computing …', '계산 중 …'],

    description: ['Description', '네트워크 설명'],
    descriptionHelp: ['Change it: mistakes and shapes appear below as you type.', '바꿔 보세요. 입력하는 동안 아래에 오류와 크기가 나타납니다.'],
    examples: ['Data', '데이터'],
    ownData: ['as the description says', '설명에 적힌 대로'],
    shapes: ['shapes (drawn by the program)', '도형(프로그램이 그림)'],
    mnist: ['MNIST sample (1,000 digits in this page)', 'MNIST 표본(이 페이지에 든 숫자 1,000개)'],
    dropFiles: ['Or choose the files of a data set (MNIST’s IDX files, CIFAR-10’s .bin files):', '또는 데이터 세트의 파일을 고르세요(MNIST의 IDX 파일, CIFAR-10의 .bin 파일):'],
    chooseFiles: ['Choose files', '파일 고르기'],
    train: ['Train', '학습 시작'],
    pause: ['Pause', '일시 정지'],
    goOn: ['Go on', '계속'],
    oneStep: ['One step', '한 단계'],
    rate: ['Learning rate', '학습률'],
    momentum: ['Momentum', '모멘텀'],
    batch: ['Batch size', '배치 크기'],
    unsaid: ['default', '기본값'],
    decay: ['Weight decay', '가중치 감쇠'],
    starting: ['Setting up the run …', '학습을 준비하는 중 …'],
    progress: ['epoch {0} of {1}, step {2} of {3}', '에폭 {0}/{1}, 단계 {2}/{3}'],
    ended: ['The run is complete.', '학습이 끝났습니다.'],
    loss: ['Loss', '손실'],
    accuracy: ['Accuracy', '정확도'],
    speed: ['Images per second', '초당 이미지 수'],
    run: ['Training', '학습'],
    legend: ['blue: training, orange: validation', '파랑: 학습, 주황: 검증'],
    validationAccuracy: ['Validation accuracy: {0} %', '검증 정확도: {0} %'],
    layers: ['Layers', '층'],
    layer: ['layer', '층'],
    activations: ['activations', '활성값'],
    weights: ['weights', '가중치'],
    gradients: ['gradients (norm)', '기울기(노름)'],
    updates: ['updates (norm)', '변화량(노름)'],
    fromTo: ['{0} to {1}', '{0}부터 {1}까지'],
    layersHelp: ['Activations: from the smallest to the largest, of the network that learns, for the first example above (before a run: of the network in Look, for its picture). Gradients and updates: of the last step of the epoch that ended last.',
        '활성값은 학습 중인 신경망이 위의 첫 예에 대해 낸 값의 최솟값과 최댓값입니다(학습 전에는 ‘살펴보기’의 신경망과 그림). 기울기와 변화량은 마지막으로 끝난 에폭의 마지막 단계의 것입니다.'],
    live: ['The network while it learns', '학습 중인 신경망'],
    liveHelp: ['What the network answers now to examples of the validation set, and the maps of each layer for the first of them.',
        '지금의 신경망이 검증 세트의 예에 내는 답과, 첫 예에 대한 각 층의 특징 맵입니다.'],
    rightAnswer: ['{0}, {1} %', '{0}, {1} %'],
    wrongAnswer: ['{0}, {1} %; it is {2}', '{0}, {1} %; 정답은 {2}'],
    kernelsHelp: ['A film of the run: each filter in colour where it reads a colour picture (grey is zero), else its first input channel.', '학습 과정을 담은 필름입니다. 컬러 그림을 읽는 필터는 색으로(회색이 0), 그 밖의 필터는 첫 입력 채널로 보여 줍니다.'],
    play: ['Play', '재생'],
    filmTime: ['Time in the film', '필름의 시점'],
    afterSteps: ['after {0} steps', '{0}단계 뒤'],
    newRun: ['A new run goes on from these weights, with the new batch size.', '새 배치 크기로, 이 가중치에서 새 학습을 이어 갑니다.'],

    byHand: ['One step by hand', '손으로 하는 한 단계'],
    byHandHelp: ['For the picture and the network in Look: the loss, the gradient of each number, and what the optimiser makes of it. Click a number to see where its gradient comes from.',
        '‘살펴보기’의 그림과 신경망으로 계산합니다. 손실, 수마다의 기울기, 옵티마이저가 바꾼 값입니다. 수를 누르면 기울기가 어디에서 오는지 보입니다.'],
    trueClass: ['True class', '정답 클래스'],
    parameter: ['Parameter', '매개변수'],
    filter: ['Filter or unit', '필터 또는 유닛'],
    computeStep: ['Compute the step', '한 단계 계산'],
    applyStep: ['Take over the new numbers shown', '여기 나온 새 값 받아들이기'],
    lossOfStep: ['loss: {0}; after one update of all parameters: {1}', '손실: {0}, 모든 매개변수를 한 번 갱신한 뒤: {1}'],
    numberNow: ['now', '지금'],
    gradient: ['gradient', '기울기'],
    numberNext: ['after the update', '갱신한 뒤'],

    kernels: ['Kernels of the first layer over time', '시간에 따른 첫 층의 커널'],
    checkpoint: ['Checkpoint', '체크포인트'],
    save: ['Save the checkpoint', '체크포인트 저장'],
    load: ['Open a checkpoint or a description', '체크포인트나 설명 열기'],
    takeOver: ['Look at the trained network', '학습한 신경망 살펴보기'],
    arithmeticOfShapes: ['Shapes', '크기'],
};

export const LANGUAGES = {en: 'English', ko: '한국어'};

let column = 0;

export function setLanguage(language) {
    column = Math.max(0, Object.keys(LANGUAGES).indexOf(language));
}

export function currentLanguage() {
    return Object.keys(LANGUAGES)[column];
}

// The text of a key, with {0}, {1} … replaced.
export function say(key, ...values) {
    return WORDS[key][column].replace(/\{(\d)\}/g, (all, i) => values[i]);
}

// Fills in the texts of all elements that name one: data-say is the text, data-label the label for
// screen readers, data-hint what stands in an empty field.
export function translate(root) {
    for (const element of root.querySelectorAll('[data-say]'))
        element.textContent = say(element.dataset.say);
    for (const element of root.querySelectorAll('[data-label]'))
        element.setAttribute('aria-label', say(element.dataset.label));
    for (const element of root.querySelectorAll('[data-hint]'))
        element.placeholder = say(element.dataset.hint);
}
